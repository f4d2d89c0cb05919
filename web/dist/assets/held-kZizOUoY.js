<<<<<<<< HEAD:web/dist/assets/held-kZizOUoY.js
import{J as e,X as t}from"./show-Brs-9ktq.js";var n=t(e(),1);function r(e,t,r){let i=(0,n.useRef)(void 0),[a,o]=(0,n.useState)(0),s=(0,n.useMemo)(()=>{let n=e??[];i.current&&i.current.size!==0&&r||(i.current=new Set(n.map(t)));let a=i.current,o=n.filter(e=>a.has(t(e)));return{shown:o,waiting:n.length-o.length}},[e,t,r,a]),c=(0,n.useCallback)(()=>{i.current=void 0,o(e=>e+1)},[]);return{...s,release:c}}export{r as t};
========
import{J as e,X as t}from"./show-CtV_yidS.js";var n=t(e(),1);function r(e,t,r){let i=(0,n.useRef)(void 0),[a,o]=(0,n.useState)(0),s=(0,n.useMemo)(()=>{let n=e??[];i.current&&i.current.size!==0&&r||(i.current=new Set(n.map(t)));let a=i.current,o=n.filter(e=>a.has(t(e)));return{shown:o,waiting:n.length-o.length}},[e,t,r,a]),c=(0,n.useCallback)(()=>{i.current=void 0,o(e=>e+1)},[]);return{...s,release:c}}export{r as t};
>>>>>>>> ede0caf (web: the console is built anew):web/dist/assets/held-CpdjeT6O.js
