"""Network parts that renderers share: layers, discriminators, losses, perceptual loss."""
