"""What holds for any network and any loss: identities at rest, and what any VAE could reach."""
