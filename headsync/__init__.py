"""Makes a still face speak: sound in, synced head and lip motion as landmarks, then video out."""
