"""``modnav fit --seeds ...``: many runs at once, each of which is an ordinary one."""
