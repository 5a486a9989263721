// Shows the document beside this page. The token of the page is that of the document, too.
SwaggerUIBundle({
  url: location.pathname.replace(/docs\/?$/, "openapi.json") + location.search,
  dom_id: "#reference",
  deepLinking: true,
  displayRequestDuration: true,
  requestSnippetsEnabled: true,
  tryItOutEnabled: true,
  // Otherwise it sends the document to a service on the web.
  validatorUrl: null,
});
