"""When a call may be sent: in turn, within what the vendor allows an account and what the platform keeps to."""
