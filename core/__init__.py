"""Words that everything shares: settings, the classes file, the maths of classification."""
