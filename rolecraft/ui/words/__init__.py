"""The sentences of the single pages, each in Chinese and in English."""
