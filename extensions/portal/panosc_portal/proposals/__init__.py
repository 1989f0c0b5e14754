"""One proposal of the person's: its sessions, its data, its team, as far as somebody knows them."""
