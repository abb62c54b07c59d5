"""Documents of processes: fetched to attach them to emails, and stored from emails that are read."""
