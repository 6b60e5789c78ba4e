"""What the notebooks study: encoders and decoders compared, noise, features on their way, placement."""
