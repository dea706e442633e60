"""What cameras, gateways and SDKs rely on."""
