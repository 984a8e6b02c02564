"""What is remembered outside the branches, and what is done when somebody moved them."""
