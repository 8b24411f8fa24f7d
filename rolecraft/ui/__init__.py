"""The pages. The only room that imports gradio."""
