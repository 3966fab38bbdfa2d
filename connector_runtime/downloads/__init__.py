"""Files to disk: what to ask for and what an answer means, where a part is kept, and several at a time."""
