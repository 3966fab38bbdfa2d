"""The connector as tools for language models: one tool for each action, over the Model Context Protocol."""
