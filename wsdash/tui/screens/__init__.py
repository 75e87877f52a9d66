"""The main screens, the monitor's and the operator's, and the panels and dialogs that open over them."""
