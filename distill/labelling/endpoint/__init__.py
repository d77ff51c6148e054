"""Labels from an OpenAI-compatible server: questions, requests, answers, and the file that keeps them."""
