"""Numbers and pictures from stored facts. Nothing here talks, writes to a database or draws a page.

Heavy libraries (plotly, jieba, scikit-learn, wordcloud) load inside the functions that need them.
"""
