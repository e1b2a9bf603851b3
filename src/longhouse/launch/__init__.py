"""Starting processes, and never losing one. The only place besides repo/git.py that does."""
