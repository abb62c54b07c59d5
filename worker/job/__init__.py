"""One Camunda job, from activation to the command that ends it."""
