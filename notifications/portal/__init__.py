"""The portal: pages for managers, rendered on the server, that work without JavaScript."""
