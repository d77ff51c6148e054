"""Storage: texts, label columns and token ids of millions of rows in little memory."""
