// The switch between dark and light; the choice is a cookie, so that the server writes it into the next page.
const button = document.getElementById("theme");
const root = document.documentElement;
const isDark = () =>
  (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

button.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  document.querySelector('meta[name="color-scheme"]').content = root.dataset.theme;
  document.cookie = `theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=lax`;
});
