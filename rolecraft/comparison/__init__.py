"""Two arms answer the same words: who is drawn, and how both are asked alike."""
