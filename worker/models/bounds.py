"""The limits of a job's variables, checked before any work; docs/security.md has the table."""

from __future__ import annotations

# RFC 1035, 2.3.4.
HOST_CHARACTERS = 253
# RFC 5321, 4.5.3.1: 64 of the local part, the @, 255 of the domain.
USERNAME_CHARACTERS = 320
# Long enough for access tokens and private keys.
PASSWORD_CHARACTERS = 16_384
# Of each other field of a sign-in, such as the token endpoint.
SIGN_IN_CHARACTERS = 2_000
# RFC 5322, 2.1.1 bounds a line at 998; what is longer than this is no id.
MESSAGE_ID_CHARACTERS = 2_000
FOLDER_CHARACTERS = 1_000
SUBJECT_CHARACTERS = 10_000
# Of the text and of the HTML, each; Camunda's own limit on all variables is 4 MB as shipped.
BODY_CHARACTERS = 10_000_000
# In each of from, to, cc and bcc.
ADDRESSES = 5_000
# Of one text with several addresses.
ADDRESS_LIST_CHARACTERS = 500_000
# With name and comments.
ADDRESS_CHARACTERS = 2_000
HEADERS = 200
HEADER_CHARACTERS = 20_000
ATTACHMENTS = 1_000
# Of keywords, flags and other words in one list.
WORDS = 50
CRITERIA_LEVELS = 50
CONDITIONS = 1_000
CONDITION_CHARACTERS = 10_000
# Of a search, if they are given as JSON text.
CRITERIA_CHARACTERS = 500_000
# Of each of the three variables.
FIELDS = 200
FIELD_NAME_CHARACTERS = 200
# Of all three variables together: entries of lists and contexts; secrets, which may be long.
ENTRIES = 100_000
PLACEHOLDERS = 200
# Lists and contexts in each other; criteria of 50 levels need a hundred.
LEVELS = 200
