"""PC-AVS: a face that speaks with a sound, its head pose copied from any video by a code of twelve numbers."""
