"""The connector as tools for language models: one tool an action, over the Model Context Protocol."""
