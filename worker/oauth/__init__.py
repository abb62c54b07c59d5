"""Access tokens for mail servers (OAuth 2.0): requests, responses, and the tokens that are shared."""
