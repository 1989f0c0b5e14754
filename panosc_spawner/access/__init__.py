"""Access that stays true: whoever loses a right loses it in running servers too."""
