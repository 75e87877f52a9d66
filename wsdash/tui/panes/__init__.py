"""The panes of the main screen: each is given a view state and draws the lines of it that changed."""
