"""From the bytes of a picture, or stored numbers of any range, to uint8 squares."""
