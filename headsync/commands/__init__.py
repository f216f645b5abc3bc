"""The sub-commands of `headsync`: each module parses, calls one public function, saves."""
