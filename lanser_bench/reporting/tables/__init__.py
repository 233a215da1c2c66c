"""What all tables share: sheets, widths, words and pictures."""
