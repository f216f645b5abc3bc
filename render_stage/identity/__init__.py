"""Face encoders: whose face it is, for the perceptual loss and the identity metric."""
