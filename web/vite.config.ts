import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// The output is committed: names carry content hashes, and nothing of the building machine enters it.
export default defineConfig({
  plugins: [react(), tailwindcss()],
  build: {
    target: 'es2023',
    outDir: 'dist',
    emptyOutDir: true,
    sourcemap: false,
    assetsInlineLimit: 0, // inlined files would need data: in the content policy
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
  },
});
