"""From findings to people: policy, messages, delivery."""
