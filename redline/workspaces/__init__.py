"""Who belongs where: orgs, users, memberships."""
