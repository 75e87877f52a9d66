"""What asks the operator something: a name, a word, whose rows stay; and a document to be read first."""
