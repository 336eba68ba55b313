"""The example city: 40 units, three providers, and the story that the demo tells."""
