"""The articulation learner: phonetic features to absolute lip and jaw shapes about a person's neutral mouth."""
