"""What a workspace works on: projects, and what their members are told of them."""
