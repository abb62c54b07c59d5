"""Documents of processes: fetched to be attached to email, and stored where email brings them."""
