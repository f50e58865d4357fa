console.error("This book is made with Jupyter Book 1, not 2 (jupyter-book --version): pip install -r requirements.txt");
process.exit(1);
