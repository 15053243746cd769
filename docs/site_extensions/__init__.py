"""What the site needs beside Sphinx's extensions: pages from outside ``docs``, and the reference's lists."""
