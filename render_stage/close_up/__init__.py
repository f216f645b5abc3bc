"""Close-ups: a small network that draws a part of the face again, at the picture's own resolution. The mouth has one."""
