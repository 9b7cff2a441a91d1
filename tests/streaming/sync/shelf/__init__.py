"""An app that only these tests install: models that inherit from one another, which the product has none of."""
