"""The board that one leaves open all day."""
