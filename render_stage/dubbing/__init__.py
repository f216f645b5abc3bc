"""A video given another mouth: tracking, masks and compositing, the same for every renderer."""
