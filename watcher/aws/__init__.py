"""The only home of boto3: adapters behind the ports of watcher/ports.py. ``compose`` builds them."""
