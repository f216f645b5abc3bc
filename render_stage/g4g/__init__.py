"""G4G: the mouth of a video's own frame drawn anew to a sound, from the frame without it, references and a sketch."""
