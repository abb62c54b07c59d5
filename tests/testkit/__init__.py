"""Real and scripted mail servers for the tests: each starts itself, says where it is, and leaves nothing."""
